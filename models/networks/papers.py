"""The network and the paper behind each module of this folder, for model cards."""

PAPERS = {  # architecture -> text
    "c3ae": "C3AE: Exploring the Limits of Compact Model for Age Estimation "
    "(Zhang et al., CVPR 2019)",
    "densenet": "DenseNet (Huang et al., CVPR 2017) with the regression head of SSR-Net's "
    "comparison",
    "faceres": "HSE-FaceRes (Savchenko, SISY 2019): MobileNet (Howard et al., 2017) with age and "
    "gender heads",
    "inceptionv3": "InceptionV3 (Szegedy et al., CVPR 2016) as in Age-Gender-Predictor "
    "(Agendernet)",
    "levi_hassner": "Age and Gender Classification using CNNs (Levi and Hassner, CVPR Workshops "
    "2015)",
    "lmtcnn": "LMTCNN: Lightweight Multi-Task CNN (Lee et al., MIPR 2018): age bracket and gender "
    "of Adience",
    "mobilenet": "MobileNet (Howard et al., 2017) with the regression head of SSR-Net's comparison",
    "mobilenetv2": "MobileNetV2 (Sandler et al., CVPR 2018) as in Age-Gender-Predictor "
    "(Agendernet)",
    "ssrnet": "SSR-Net: A Compact Soft Stagewise Regression Network (Yang et al., IJCAI 2018)",
}
